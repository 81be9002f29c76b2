#!/bin/bash
# build.sh OUT: builds the test control plane's binaries into OUT, with nothing but Go and the module proxy it is
# configured for. Skips when OUT holds what this go.mod and go.sum ask for. Cold: about 6 minutes of two cores.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=$(realpath -m "${1:?folder for the binaries}")
binaries=(etcd kube-apiserver kube-controller-manager kube-scheduler kubectl kwok)

wanted=$(cat "$here/go.mod" "$here/go.sum" | sha256sum | cut -d' ' -f1)
complete() {
  [ "$(cat "$out/.stamp" 2>/dev/null)" = "$wanted" ] || return 1
  for name in "${binaries[@]}"; do [ -x "$out/$name" ] || return 1; done
}
if complete; then
  echo "control plane: up to date in $out"
  exit 0
fi

command -v go >/dev/null || { echo "control plane: needs Go (see the go line of $here/go.mod)" >&2; exit 1; }
version=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' "$here/go.mod")
minor=${version#v1.}
package=k8s.io/component-base/version
flags="-s -w -X $package.gitVersion=$version -X $package.gitMajor=1 -X $package.gitMinor=${minor%%.*} -X $package.gitTreeState=clean"

mkdir -p "$out"
rm -f "$out/.stamp"
echo "control plane: building Kubernetes $version into $out (minutes, once)"
(cd "$here" && CGO_ENABLED=0 go build -mod=readonly -trimpath -ldflags="$flags" -o "$out/" tool)
mv -f "$out/server" "$out/etcd" # etcd's package is called server
echo "$wanted" >"$out/.stamp"
