// Brings a pack to a host with a client of App Store Connect that is not ours, and reads it back.
const fs = require("fs");
const crypto = require("crypto");
const { AppStoreConnectClient } = require("@rage-against-the-pixel/app-store-connect-api");
const { client } = require("@rage-against-the-pixel/app-store-connect-api/dist/app_store_connect_api/client.gen");

const env = process.env;
const asc = new AppStoreConnectClient({ privateKeyId: env.KEY_ID, issuerId: env.ISSUER, privateKey: fs.readFileSync(env.KEY_FILE, "utf8") });
client.setConfig({ baseUrl: env.HOST });

async function ok(answer) {
  const { data, error, response } = await answer;
  if (error) throw new Error(`${response?.status} ${JSON.stringify(error)}`);
  return data;
}

function equal(what, got, want) {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`${what} is ${JSON.stringify(got)}, not ${JSON.stringify(want)}`);
}

async function put(op, archive) {
  const headers = Object.fromEntries(op.requestHeaders.map((h) => [h.name, h.value]));
  const r = await fetch(op.url, { method: op.method, headers, body: archive.subarray(op.offset, op.offset + op.length) });
  if (!r.ok) throw new Error(`part ${op.partNumber}: ${r.status} ${await r.text()}`);
}

async function main() {
  const { BackgroundAssets, BackgroundAssetVersions, BackgroundAssetUploadFiles, BackgroundAssetVersionInternalBetaReleases, Apps } = asc.api;
  const archive = fs.readFileSync(env.ARCHIVE);
  const pack = (await ok(BackgroundAssets.backgroundAssetsCreateInstance({ body: { data: { type: "backgroundAssets",
    attributes: { assetPackIdentifier: env.PACK }, relationships: { app: { data: { type: "apps", id: env.APP } } } } } }))).data;
  const version = (await ok(BackgroundAssetVersions.backgroundAssetVersionsCreateInstance({ body: { data: { type: "backgroundAssetVersions",
    relationships: { backgroundAsset: { data: { type: "backgroundAssets", id: pack.id } } } } } }))).data;
  equal("the version", [version.attributes.version, version.attributes.state], ["1", "AWAITING_UPLOAD"]);

  const file = (await ok(BackgroundAssetUploadFiles.backgroundAssetUploadFilesCreateInstance({ body: { data: { type: "backgroundAssetUploadFiles",
    attributes: { assetType: "ASSET", fileName: "a.aar", fileSize: archive.length },
    relationships: { backgroundAssetVersion: { data: { type: "backgroundAssetVersions", id: version.id } } } } } }))).data;
  const parts = file.attributes.uploadOperations;
  if (parts.length < 3) throw new Error(`${parts.length} parts`);
  await Promise.all(parts.map((op) => put(op, archive)));
  const hash = crypto.createHash("sha256").update(archive).digest("hex");
  await ok(BackgroundAssetUploadFiles.backgroundAssetUploadFilesUpdateInstance({ path: { id: file.id }, body: { data: { type: "backgroundAssetUploadFiles", id: file.id,
    attributes: { uploaded: true, sourceFileChecksums: { file: { hash, algorithm: "SHA_256" } } } } } }));

  let seen;
  do {
    await new Promise((next) => setTimeout(next, 50));
    seen = await ok(BackgroundAssetVersions.backgroundAssetVersionsGetInstance({ path: { id: version.id }, query: { include: ["internalBetaRelease", "assetFile", "backgroundAsset"] } }));
  } while (seen.data.attributes.state === "PROCESSING");
  equal("the state", seen.data.attributes.state, "COMPLETE");
  equal("what is included", seen.included.map((r) => r.type).sort(), ["backgroundAssetUploadFiles", "backgroundAssetVersionInternalBetaReleases", "backgroundAssets"]);

  const release = await ok(BackgroundAssetVersionInternalBetaReleases.backgroundAssetVersionInternalBetaReleasesGetInstance({ path: { id: seen.data.relationships.internalBetaRelease.data.id } }));
  equal("the release", release.data.attributes.state, "READY_FOR_TESTING");
  const list = await ok(Apps.appsBackgroundAssetsGetToManyRelated({ path: { id: env.APP }, query: { "filter[assetPackIdentifier]": [env.PACK, "other"], include: ["internalBetaVersion"], sort: ["-createdDate"], limit: 10 } }));
  equal("the list", list.data.map((p) => [p.attributes.assetPackIdentifier, p.attributes.usedBytes, p.relationships.internalBetaVersion.data.id]), [[env.PACK, archive.length, version.id]]);
  const versions = await ok(BackgroundAssets.backgroundAssetsVersionsGetToManyRelated({ path: { id: pack.id }, query: { "filter[state]": ["COMPLETE"], sort: ["-version"] } }));
  equal("the versions", versions.data.map((v) => v.id), [version.id]);
  const back = await ok(BackgroundAssetUploadFiles.backgroundAssetUploadFilesGetInstance({ path: { id: file.id } }));
  equal("the file", [back.data.attributes.assetDeliveryState.state, back.data.attributes.fileSize, back.data.attributes.sourceFileChecksums.file.hash], ["COMPLETE", archive.length, hash]);
  const refused = await BackgroundAssets.backgroundAssetsCreateInstance({ body: { data: { type: "backgroundAssets", attributes: { assetPackIdentifier: "a.b" }, relationships: { app: { data: { type: "apps", id: env.APP } } } } } });
  equal("a refusal", [refused.response.status, refused.error.errors[0].code], [400, "PARAMETER_ERROR"]);
  console.log(JSON.stringify({ version: seen.data.attributes.version }));
}

main().catch((e) => { console.error(String(e)); process.exit(1); });
