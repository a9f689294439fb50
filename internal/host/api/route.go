package api

import (
	"larder/internal/host/access"
	"larder/internal/host/catalog"
	"larder/internal/host/jsonapi"
)

// route is one line of the API. doc/host-api.yaml describes each; a test compares.
type route struct {
	method, path string
	roles        []string
	whole        bool // a key for one app may not
	query        jsonapi.Spec
	serve        func(*call) (any, error)
}

// Who may do what.
var (
	anyone     = access.Roles()
	uploaders  = []string{access.Admin, access.AppManager, access.Developer}
	releasers  = []string{access.Admin, access.AppManager}
	onlyAdmins = []string{access.Admin}
)

// Types of resources.
const (
	typeApps       = "apps"
	typePacks      = "backgroundAssets"
	typeVersions   = "backgroundAssetVersions"
	typeFiles      = "backgroundAssetUploadFiles"
	typeInternal   = "backgroundAssetVersionInternalBetaReleases"
	typeExternal   = "backgroundAssetVersionExternalBetaReleases"
	typeProduction = "backgroundAssetVersionAppStoreReleases"
)

// fields of each type.
var (
	appFields     = []string{"bundleId", "name", "primaryLocale", "sku", "review", "quota", "backgroundAssets"}
	packFields    = []string{"archived", "assetPackIdentifier", "createdDate", "usedBytes", "app", "versions", "appStoreVersion", "internalBetaVersion", "externalBetaVersion"}
	versionFields = []string{"createdDate", "platforms", "state", "stateDetails", "version", "locale", "backgroundAsset", "internalBetaRelease", "externalBetaRelease",
		"appStoreRelease", "assetFile", "manifestFile", "backgroundAssetUploadFiles"}
	fileFields       = []string{"assetDeliveryState", "assetToken", "assetType", "fileName", "fileSize", "sourceFileChecksum", "sourceFileChecksums", "uploadOperations"}
	releaseFields    = []string{"state", "appVersions", "backgroundAssetVersion"}
	submissionFields = []string{"platform", "submittedDate", "state", "app", "items"}
	itemFields       = []string{"state", "backgroundAssetVersion"}
)

func fields(types ...string) map[string][]string {
	all := map[string][]string{typeApps: appFields, typePacks: packFields, typeVersions: versionFields, typeFiles: fileFields,
		typeInternal: releaseFields, typeExternal: releaseFields, typeProduction: releaseFields, typeSubmissions: submissionFields, typeItems: itemFields}
	out := map[string][]string{}
	for _, t := range types {
		out[t] = all[t]
	}
	return out
}

var (
	platformNames  = []string{"IOS", "MAC_OS", "TV_OS", "VISION_OS", "LINUX", "WINDOWS"}
	packIncludes   = []string{"app", "appStoreVersion", "internalBetaVersion", "externalBetaVersion"}
	versionInclude = []string{"backgroundAsset", "internalBetaRelease", "externalBetaRelease", "appStoreRelease", "assetFile", "manifestFile"}
	versionStates  = []string{catalog.AwaitingUpload, catalog.Processing, catalog.Failed, catalog.Complete}
	internalStates = []string{catalog.ReadyForTesting, catalog.Superseded}
	externalStates = []string{catalog.ReadyForBetaSubmission, catalog.WaitingForReview, catalog.InReview, catalog.Rejected, catalog.ProcessingForTesting,
		catalog.ReadyForTesting, catalog.Superseded}
	productionStates = []string{catalog.PrepareForSubmission, catalog.ReadyForReview, catalog.WaitingForReview, catalog.InReview, catalog.Accepted, catalog.Rejected,
		catalog.ProcessingForDistribution, catalog.ReadyForDistribution, catalog.Superseded}
)

var (
	onePack    = jsonapi.Spec{Fields: fields(typePacks, typeApps, typeVersions), Include: packIncludes}
	packList   = jsonapi.Spec{Fields: onePack.Fields, Include: packIncludes, List: true, Sort: []string{"assetPackIdentifier", "-assetPackIdentifier", "createdDate", "-createdDate"}, Filter: map[string][]string{"archived": {"true", "false"}, "assetPackIdentifier": nil, "versions.locale": nil, "versions.platforms": platformNames}}
	allTypes   = fields(typeVersions, typePacks, typeFiles, typeInternal, typeExternal, typeProduction)
	oneVersion = jsonapi.Spec{Fields: allTypes, Include: versionInclude}
	versions   = jsonapi.Spec{Fields: allTypes, Include: versionInclude, List: true, Sort: []string{"version", "-version"}, Filter: map[string][]string{
		"locale": nil, "platforms": platformNames, "state": versionStates, "version": nil, "internalBetaRelease.state": internalStates,
		"externalBetaRelease.state": externalStates, "appStoreRelease.state": productionStates}}
	oneFile = jsonapi.Spec{Fields: fields(typeFiles)}
	links   = jsonapi.Spec{List: true}
)

var (
	submissionStates = []string{catalog.ReadyForReview, catalog.WaitingForReview, catalog.InReview, catalog.UnresolvedIssues, "CANCELING", "COMPLETING", catalog.Complete}
	submissionList   = jsonapi.Spec{Fields: fields(typeSubmissions, typeItems, typeApps), List: true, Filter: map[string][]string{
		"app": nil, "state": submissionStates, "platform": platformNames}}
)

var deliveryList = jsonapi.Spec{List: true, Filter: map[string][]string{"deliveryState": {catalog.Pending, catalog.Succeeded, catalog.Failed}}}

func releaseQuery(typ string) jsonapi.Spec {
	return jsonapi.Spec{Fields: fields(typ, typeVersions), Include: []string{"backgroundAssetVersion"}}
}

var routes = []route{
	{"GET", "/v1/apps", anyone, false, jsonapi.Spec{Fields: fields(typeApps), List: true, Filter: map[string][]string{"bundleId": nil}}, (*call).listApps},
	{"GET", "/v1/apps/{id}", anyone, false, jsonapi.Spec{Fields: fields(typeApps)}, (*call).getApp},
	{"GET", "/v1/apps/{id}/backgroundAssets", anyone, false, packList, (*call).listPacks},
	{"GET", "/v1/apps/{id}/relationships/backgroundAssets", anyone, false, links, (*call).linkPacks},

	{"POST", "/v1/backgroundAssets", uploaders, false, jsonapi.Spec{}, (*call).createPack},
	{"GET", "/v1/backgroundAssets/{id}", anyone, false, onePack, (*call).getPack},
	{"PATCH", "/v1/backgroundAssets/{id}", uploaders, false, jsonapi.Spec{}, (*call).archivePack},
	{"GET", "/v1/backgroundAssets/{id}/versions", anyone, false, versions, (*call).listVersions},
	{"GET", "/v1/backgroundAssets/{id}/relationships/versions", anyone, false, links, (*call).linkVersions},

	{"POST", "/v1/backgroundAssetVersions", uploaders, false, jsonapi.Spec{}, (*call).createVersion},
	{"GET", "/v1/backgroundAssetVersions/{id}", anyone, false, oneVersion, (*call).getVersion},
	{"GET", "/v1/backgroundAssetVersions/{id}/backgroundAssetUploadFiles", anyone, false, jsonapi.Spec{Fields: fields(typeFiles), List: true}, (*call).listFiles},
	{"GET", "/v1/backgroundAssetVersions/{id}/relationships/backgroundAssetUploadFiles", anyone, false, links, (*call).linkFiles},

	{"POST", "/v1/backgroundAssetUploadFiles", uploaders, false, jsonapi.Spec{}, (*call).createFile},
	{"GET", "/v1/backgroundAssetUploadFiles/{id}", anyone, false, oneFile, (*call).getFile},
	{"PATCH", "/v1/backgroundAssetUploadFiles/{id}", uploaders, false, jsonapi.Spec{}, (*call).commitFile},

	{"GET", "/v1/" + typeInternal + "/{id}", anyone, false, releaseQuery(typeInternal), (*call).getRelease},
	{"GET", "/v1/" + typeExternal + "/{id}", anyone, false, releaseQuery(typeExternal), (*call).getRelease},
	{"GET", "/v1/" + typeProduction + "/{id}", anyone, false, releaseQuery(typeProduction), (*call).getRelease},

	{"POST", "/v1/reviewSubmissions", releasers, false, jsonapi.Spec{}, (*call).createSubmission},
	{"GET", "/v1/reviewSubmissions", anyone, false, submissionList, (*call).listSubmissions},
	{"GET", "/v1/reviewSubmissions/{id}", anyone, false, jsonapi.Spec{Fields: submissionList.Fields, Include: []string{"items"}}, (*call).getSubmission},
	{"PATCH", "/v1/reviewSubmissions/{id}", releasers, false, jsonapi.Spec{}, (*call).updateSubmission},
	{"GET", "/v1/reviewSubmissions/{id}/items", anyone, false, jsonapi.Spec{Fields: fields(typeItems), List: true}, (*call).listItems},
	{"POST", "/v1/reviewSubmissionItems", releasers, false, jsonapi.Spec{}, (*call).createItem},

	{"POST", "/larder/v1/promotions", releasers, false, jsonapi.Spec{}, (*call).promote},
	{"POST", "/larder/v1/decisions", onlyAdmins, false, jsonapi.Spec{}, (*call).decide},
	{"POST", "/larder/v1/rollbacks", releasers, false, jsonapi.Spec{}, (*call).rollBack},
	{"PATCH", "/larder/v1/apps/{id}", onlyAdmins, false, jsonapi.Spec{}, (*call).updateApp},
	{"POST", "/larder/v1/apps", onlyAdmins, true, jsonapi.Spec{}, (*call).createApp},
	{"GET", "/larder/v1/apps/{id}/stats", anyone, false, statList, (*call).listStats},
	{"GET", "/larder/v1/apps/{id}/webhooks", releasers, false, jsonapi.Spec{List: true}, (*call).listWebhooks},
	{"POST", "/larder/v1/webhooks", releasers, false, jsonapi.Spec{}, (*call).createWebhook},
	{"GET", "/larder/v1/webhooks/{id}", releasers, false, jsonapi.Spec{}, (*call).getWebhook},
	{"PATCH", "/larder/v1/webhooks/{id}", releasers, false, jsonapi.Spec{}, (*call).updateWebhook},
	{"DELETE", "/larder/v1/webhooks/{id}", releasers, false, jsonapi.Spec{}, (*call).dropWebhook},
	{"GET", "/larder/v1/webhooks/{id}/deliveries", releasers, false, deliveryList, (*call).listDeliveries},
	{"GET", "/larder/v1/webhookDeliveries/{id}", releasers, false, jsonapi.Spec{}, (*call).getDelivery},
	{"POST", "/larder/v1/webhookDeliveries", releasers, false, jsonapi.Spec{}, (*call).redeliver},
	{"POST", "/larder/v1/webhookPings", releasers, false, jsonapi.Spec{}, (*call).ping},
	{"GET", "/larder/v1/keys", onlyAdmins, true, jsonapi.Spec{}, (*call).listKeys},
	{"POST", "/larder/v1/keys", onlyAdmins, true, jsonapi.Spec{}, (*call).createKey},
	{"DELETE", "/larder/v1/keys/{id}", onlyAdmins, true, jsonapi.Spec{}, (*call).revokeKey},
}
