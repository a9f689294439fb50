package peer

const dpkg = "dpkg-query -W -f '${Version}' "

// All peers that bring an update, cheap to run first.
var All = []Peer{
	{
		Name: "rsync -z", Tool: "rsync", Version: dpkg + "rsync",
		Make:  `cp -r old/ out`,
		Fetch: `rsync -rlz --checksum --no-whole-file --delete --stats new/ out/ | awk '/^Total bytes sent/ { gsub(",", ""); print $4 }'`,
		Apply: `rm -rf out; cp -r old/ out; rsync -rlz --checksum --no-whole-file --delete new/ out/`,
		Note:  "what the sending side sent; the checksums that the device sends are not counted",
	},
	{
		Name: "casync", Tool: "casync", Version: dpkg + "casync",
		Make: `casync make --without=all --store=s.castr old.caidx old/ >/dev/null; find s.castr -type f | sort >had
casync make --without=all --store=s.castr new.caidx new/ >/dev/null`,
		Fetch: `find s.castr -type f | sort | comm -13 had - | { echo new.caidx; cat; } | tr '\n' '\0' | du -cb --apparent-size --files0-from=- | awk 'END { print $1 }'`,
		Apply: `casync extract --without=all --store=s.castr --seed=old/ new.caidx out >/dev/null`,
	},
	{
		Name: "desync", Tool: "desync", Version: "echo 1.0.3",
		Make:  `desync tar -i -s s old.caidx old/; find s -type f | sort >had; desync tar -i -s s new.caidx new/`,
		Fetch: `find s -type f | sort | comm -13 had - | { echo new.caidx; cat; } | tr '\n' '\0' | du -cb --apparent-size --files0-from=- | awk 'END { print $1 }'`,
		Apply: `desync untar --no-same-owner -i -s s new.caidx out`,
	},
	{
		Name: "zsync", Tool: "zsync", Version: dpkg + "zsync", Serve: true,
		Make:  `zsyncmake -u new.tar -o new.tar.zsync new.tar`,
		Apply: `zsync -q -i old.tar -o out.tar $URL/new.tar.zsync`,
	},
	{
		Name: "zchunk", Tool: "zck", Version: dpkg + "zchunk", Serve: true,
		Make:  `zck -o old.zck old.tar; zck -o new.zck new.tar`,
		Apply: `mkdir d; cd d; zckdl -s ../old.zck $URL/new.zck; unzck -c new.zck >../out.tar`,
	},
	{
		Name: "rdiff + zstd -19", Tool: "rdiff", Version: dpkg + "rdiff",
		Make:  `rdiff signature old.tar sig; rdiff delta sig new.tar d; zstd -q -19 d`,
		Fetch: `stat -c %s d.zst`,
		Apply: `zstd -q -d -c d.zst | rdiff patch old.tar - out.tar`,
	},
	{
		Name: "xdelta3 -9 -S lzma", Tool: "xdelta3", Version: dpkg + "xdelta3",
		Make:  `xdelta3 -q -e -9 -S lzma -B $WINDOW -s old.tar new.tar d`,
		Fetch: `stat -c %s d`,
		Apply: `xdelta3 -q -d -B $WINDOW -s old.tar d out.tar`,
	},
	{
		Name: "zstd --patch-from, whole", Tool: "zstd", Version: dpkg + "zstd",
		Make:  `zstd -q -19 --long=31 --patch-from=old.tar new.tar -o d`,
		Fetch: `stat -c %s d`,
		Apply: `zstd -q -d --long=31 --patch-from=old.tar d -o out.tar`,
	},
	{
		Name: "zstd --patch-from, per file", Tool: "zstd", Version: dpkg + "zstd",
		Make: `mkdir d; i=0; while IFS= read -r f; do zstd -q -19 --long=31 --patch-from="old/$f" "new/$f" -o d/$i; i=$((i+1)); done <changed
tar -C new/ ` + tarOptions + ` --verbatim-files-from -T added -c | zstd -q -19 --long=31 -o d/added`,
		Fetch: `[ -s added ] || rm d/added; cat d/* | wc -c`,
		Apply: `cp -r old/ out; cd out; find . -type f | sed 's,^\./,,' | while IFS= read -r f; do [ -e "../new/$f" ] || rm "$f"; done
i=0; while IFS= read -r f; do zstd -q -d -f --long=31 --patch-from="../old/$f" ../d/$i -o "$f"; i=$((i+1)); done <../changed
[ ! -e ../d/added ] || zstd -q -d --long=31 -c ../d/added | tar x
find . -type d -empty -delete`,
		Note: "without the list of files; added files together",
	},
	{
		Name: "ostree static delta", Tool: "ostree", Version: dpkg + "ostree",
		Make: `ostree init --repo=r --mode=bare-user-only; ostree init --repo=r2 --mode=bare-user-only
c="ostree --repo=r commit --canonical-permissions --no-xattrs --timestamp=@0 -b b"
a=$($c --tree=dir=old/); ostree --repo=r2 pull-local r $a >/dev/null; b=$($c --tree=dir=new/); echo $b >head
ostree --repo=r static-delta generate --from=$a --to=$b --inline --min-fallback-size=0 --max-bsdiff-size=10240 --filename=d >/dev/null`,
		Fetch: `stat -c %s d`,
		Apply: `ostree --repo=r2 static-delta apply-offline d >/dev/null; ostree --repo=r2 checkout -U $(cat head) out`,
	},
	{
		Name: "bsdiff", Tool: "bsdiff", Version: dpkg + "bsdiff",
		Make:  `bsdiff old.tar new.tar d`,
		Fetch: `stat -c %s d`,
		Apply: `bspatch old.tar out.tar d`,
	},
	{
		Name: "changed files, zstd -19", Tool: "zstd", Version: dpkg + "zstd",
		Make:  `cat changed added >list; tar -C new/ ` + tarOptions + ` --verbatim-files-from -T list -c | zstd -q -19 --long=27 -o d`,
		Fetch: `stat -c %s d`,
	},
	{
		Name: "everything, zstd -19", Tool: "zstd", Version: dpkg + "zstd",
		Make:  `zstd -q -19 --long=27 new.tar -o d`,
		Fetch: `stat -c %s d`,
	},
}

// constants were measured once on the same corpora with tools that no package
// archive holds (HDiffPatch, wharf) or that some machines cannot get (desync).
var constants = map[string][]Cost{
	"human": {
		{Peer: "HDiffPatch", Version: "-m-1 -c-zstd-19", Bytes: 25_832, Const: true},
		{Peer: "wharf", Version: "rediff, brotli 9", Bytes: 40_545, Const: true},
		{Peer: "desync", Version: "1.0.3", Bytes: 2_320_000, Const: true},
	},
	"freedoom": {
		{Peer: "HDiffPatch", Version: "-m-1 -c-zstd-19", Bytes: 5_420_077, Const: true},
		{Peer: "wharf", Version: "rediff, brotli 9", Bytes: 12_395_598, Const: true},
		{Peer: "desync", Version: "1.0.3", Bytes: 16_250_000, Const: true},
	},
	"ort": {
		{Peer: "HDiffPatch", Version: "-m-1 -c-zstd-19", Bytes: 5_787_674, Const: true},
		{Peer: "wharf", Version: "rediff, brotli 9", Bytes: 11_570_851, Const: true},
		{Peer: "desync", Version: "1.0.3", Bytes: 28_150_000, Const: true},
	},
}
