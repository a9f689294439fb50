package bundle

import (
	"net/url"
	"slices"
	"strings"

	"larder/asset"
)

const (
	mendURL  = "use an absolute https URL (http only for this machine), at most 8,192 bytes"
	mendSize = "give the number of bytes; 0 if there are none"
)

// readAssets fills what concerns assets, once the extension is known. Which keys
// are needed follows from who hosts (classic §1, managed §3.4): nobody, the app's
// own server, or a Larder host.
func (b *Bundle) readAssets(info dict) {
	b.HasManagedAssetPacks, _ = info.bool("BAHasManagedAssetPacks")
	b.UsesAppleHosting, _ = info.bool("BAUsesAppleHosting")
	b.ManifestURL = info.url("BAManifestURL")
	b.MaxInstallSize, _ = info.size("BAMaxInstallSize")
	b.EssentialMaxInstallSize, _ = info.size("BAEssentialMaxInstallSize")
	b.Restrictions = readRestrictions(info)

	self := []string{"BAManifestURL", "BAInitialDownloadRestrictions", "BAMaxInstallSize", "BAEssentialMaxInstallSize"}
	present := 0
	for _, key := range self {
		if info.has(key) {
			present++
		}
	}
	switch {
	case b.UsesAppleHosting:
		b.checkHosted(info, self)
	case present > 0 || b.HasManagedAssetPacks || b.Extension != nil:
		b.checkSelfHosted(info)
	}
	b.readOwn(info)
	checkNames(info, rootKeys, restrictionKeys, "move it into BAInitialDownloadRestrictions")
}

func (b *Bundle) checkHosted(info dict, self []string) {
	if !b.HasManagedAssetPacks {
		info.fault("BAHasManagedAssetPacks", info.text("BAHasManagedAssetPacks"), "a hosted app has managed asset packs", "set it to true, or set BAUsesAppleHosting to false")
	}
	if !info.has("LarderHostURL") {
		info.fault("LarderHostURL", "", "it is missing, and BAUsesAppleHosting is true", "add the URL of the Larder host")
	}
	for _, key := range self {
		if info.has(key) {
			info.fault(key, info.text(key), "a hosted app must not have it (managed §3.4)", "leave it out, or set BAUsesAppleHosting to false")
		}
	}
}

func (b *Bundle) checkSelfHosted(info dict) {
	info.need("BAManifestURL", "add the URL of the app's manifest")
	info.need("BAMaxInstallSize", mendSize)
	info.need("BAEssentialMaxInstallSize", mendSize)
	info.need("BAInitialDownloadRestrictions", "add it, with BADownloadAllowance, BAEssentialDownloadAllowance and BADownloadDomainAllowList")
	if !b.HasManagedAssetPacks && b.Extension == nil {
		info.fault("BAManifestURL", info.text("BAManifestURL"), "the bundle has no usable downloader extension to ask about it",
			"add Extensions/NAME.appex with EXExtensionPointIdentifier "+extensionPoint+", or set BAHasManagedAssetPacks")
	}
	if u, err := url.Parse(b.ManifestURL); err == nil && b.ManifestURL != "" && b.Restrictions != nil &&
		len(b.Restrictions.DomainAllowList) > 0 && !b.Restrictions.Allows(u.Host) {
		info.fault("BAManifestURL", info.text("BAManifestURL"), "its host is not on BADownloadDomainAllowList, so the manifest could not be fetched before the first launch",
			"add "+clean(u.Hostname(), maxValue)+" to the list")
	}
}

// readOwn reads the keys that are ours alone.
func (b *Bundle) readOwn(info dict) {
	b.readHosts(info)
	b.EssentialFailure = FailureOpen
	if s, ok := info.string("LarderEssentialFailurePolicy"); ok {
		switch p := FailurePolicy(s); p {
		case FailureOpen, FailureWait, FailureAsk:
			b.EssentialFailure = p
		default:
			info.fault("LarderEssentialFailurePolicy", s, "it is not a policy", suggest(s, []string{"open", "wait", "ask"}, "use open, wait or ask"))
		}
	}
	b.FinishedFile = FinishedKeep
	if s, ok := info.string("LarderFinishedFilePolicy"); ok {
		switch p := FinishedFilePolicy(s); p {
		case FinishedKeep, FinishedStrict:
			b.FinishedFile = p
		default:
			info.fault("LarderFinishedFilePolicy", s, "it is not a policy", suggest(s, []string{"keep", "strict"}, "use keep or strict"))
		}
	}
}

// maxHosts bounds LarderHostURL: each is asked before a request has failed.
const maxHosts = 8

// readHosts reads LarderHostURL: one URL, or a list of them whose servers deliver the same.
func (b *Bundle) readHosts(info dict) {
	const key = "LarderHostURL"
	list, many := info.m[key].([]any)
	if !many {
		list = []any{info.m[key]}
	}
	if many && (len(list) == 0 || len(list) > maxHosts) {
		info.fault(key, "", "it names no host, or more than 8", "name one to 8 hosts, in the order in which they are to be asked")
		return
	}
	for _, v := range list {
		one := info
		if many {
			one.m = map[string]any{key: v}
		}
		host := strings.TrimRight(one.url(key), "/")
		switch {
		case strings.ContainsAny(host, "?#"):
			info.fault(key, one.text(key), "it holds a query or a fragment", "end it with the host or a path")
		case host == "":
		case b.HostURL == "":
			b.HostURL = host
		case host == b.HostURL || slices.Contains(b.Mirrors, host):
			info.fault(key, one.text(key), "it stands there twice", "name each host once")
		default:
			b.Mirrors = append(b.Mirrors, host)
		}
	}
}

func (d dict) url(key string) string {
	s, ok := d.string(key)
	if !ok {
		return ""
	}
	if err := asset.CheckURL(s); err != nil {
		d.fault(key, d.text(key), err.Error(), mendURL)
		return ""
	}
	if len(s) > asset.MaxURL {
		d.fault(key, d.text(key), "it is longer than 8,192 bytes", mendURL)
		return ""
	}
	return s
}
