#!/bin/bash
# KUBEBUILDER_ASSETS=BIN start.sh DIR: a fresh control plane on loopback with free ports. Data, logs, pids and the
# kubeconfig (with an administrator's token) are in DIR, which is wiped first. End it with stop.sh DIR.
#   NODES=n     hollow nodes (default 1)
#   OWNER=pid   ends by itself when that process is gone, so that a killed test run leaves nothing behind
set -Eeuo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bin=$(cd "${KUBEBUILDER_ASSETS:?folder with the binaries (build.sh makes them)}" && pwd)
dir=$(realpath -m "${1:?folder for data, logs, pids and the kubeconfig}")

rm -rf "$dir"
mkdir -p "$dir"/{etcd,certs,log,pid}
chmod 700 "$dir"
cd "$dir"
umask 077
trap '"$here/stop.sh" "$dir"; exit 1' ERR INT TERM

if [ -n "${OWNER:-}" ]; then
  # shellcheck disable=SC2016  # the inner shell expands its own arguments
  setsid bash -c 'tail --pid="$1" -f /dev/null; exec "$2" "$3"' watch "$OWNER" "$here/stop.sh" "$dir" \
    >/dev/null 2>&1 </dev/null &
  echo $! >pid/watch
fi

ports() {
  python3 -c '
import socket
held = [socket.socket() for _ in range(6)]
for each in held: each.bind(("127.0.0.1", 0))
print(*(each.getsockname()[1] for each in held))'
}
read -r etcd_port peer_port api_port manager_port scheduler_port kwok_port <<<"$(ports)"

spawn() { # NAME FLAG...: the binary NAME in its own session, so that a terminal's interrupt does not reach it
  local name=$1
  shift
  setsid "$bin/$name" "$@" >"log/$name.log" 2>&1 </dev/null &
  echo $! >"pid/$name"
}

die() {
  echo "control plane: $1" >&2
  tail -n 20 "log/$2.log" >&2
  return 1
}

until_true() { # SECONDS NAME COMMAND...: waits for a command; fails early when the binary NAME has ended
  local tries=$(($1 * 10)) name=$2
  shift 2
  for _ in $(seq "$tries"); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    kill -0 "$(cat "pid/$name")" 2>/dev/null || die "$name ended at start" "$name"
    sleep 0.1
  done
  die "$name is not ready in time" "$name"
}

token() { od -An -tx1 -N24 /dev/urandom | tr -d ' \n'; }

kubeconfig() { # FILE TOKEN
  cat >"$1" <<CONFIG
apiVersion: v1
kind: Config
current-context: test
clusters: [{name: test, cluster: {server: "https://127.0.0.1:$api_port", certificate-authority: "$dir/certs/ca.crt"}}]
users: [{name: test, user: {token: "$2"}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
CONFIG
}

# etcd: loopback, no TLS, and no fsync because the data is thrown away.
peer=http://127.0.0.1:$peer_port client=http://127.0.0.1:$etcd_port
spawn etcd --name=test --data-dir="$dir/etcd" --unsafe-no-fsync --log-level=warn \
  --listen-client-urls="$client" --advertise-client-urls="$client" \
  --listen-peer-urls="$peer" --initial-advertise-peer-urls="$peer" --initial-cluster="test=$peer"

# Keys: one for service-account tokens. The API server signs its serving certificate itself, into --cert-dir.
openssl ecparam -name prime256v1 -genkey -noout -out certs/accounts.key
admin=$(token) manager=$(token) scheduler=$(token) kwok=$(token)
cat >certs/tokens.csv <<TOKENS
$admin,admin,admin,"system:masters"
$manager,system:kube-controller-manager,manager,""
$scheduler,system:kube-scheduler,scheduler,""
$kwok,kwok,kwok,"system:masters"
TOKENS

GOGC=50 GOMEMLIMIT=450MiB spawn kube-apiserver \
  --etcd-servers="$client" --cert-dir="$dir/certs" --bind-address=127.0.0.1 --advertise-address=127.0.0.1 \
  --secure-port="$api_port" --endpoint-reconciler-type=none --service-cluster-ip-range=10.96.0.0/16 \
  --authorization-mode=RBAC --anonymous-auth=true --token-auth-file="$dir/certs/tokens.csv" \
  --service-account-issuer=https://kubernetes.default.svc.cluster.local \
  --service-account-key-file="$dir/certs/accounts.key" --service-account-signing-key-file="$dir/certs/accounts.key" \
  --profiling=false
kubeconfig kubeconfig "$admin"
kubeconfig certs/manager.kubeconfig "$manager"
kubeconfig certs/scheduler.kubeconfig "$scheduler"
kubeconfig certs/kwok.kubeconfig "$kwok"
ready() { curl -sf --cacert certs/apiserver.crt "https://127.0.0.1:$api_port/readyz"; }
until_true 60 kube-apiserver ready
awk '/BEGIN CERT/ { n++ } n == 2' certs/apiserver.crt >certs/ca.crt # the leaf, then its own authority

# The manager's client limits are raised: with the default its start alone takes 5 s. Autoscalers are looked at every second.
spawn kube-controller-manager --kubeconfig=certs/manager.kubeconfig --leader-elect=false --bind-address=127.0.0.1 \
  --secure-port="$manager_port" --cert-dir="$dir/certs/manager" --use-service-account-credentials=true \
  --service-account-private-key-file="$dir/certs/accounts.key" --root-ca-file="$dir/certs/ca.crt" --profiling=false \
  --authentication-skip-lookup=true --kube-api-qps=500 --kube-api-burst=1000 \
  --horizontal-pod-autoscaler-sync-period=1s
spawn kube-scheduler --kubeconfig=certs/scheduler.kubeconfig --leader-elect=false --bind-address=127.0.0.1 \
  --secure-port="$scheduler_port" --cert-dir="$dir/certs/scheduler" --authentication-skip-lookup=true

# kwok plays the nodes and their kubelets.
kubectl() { "$bin/kubectl" --kubeconfig="$dir/kubeconfig" "$@"; }
for number in $(seq "${NODES:-1}"); do
  sed "s/@N@/$number/g" "$here/node.yaml.tmpl"
  echo ---
done | kubectl apply --server-side -f - >/dev/null
spawn kwok --kubeconfig=certs/kwok.kubeconfig --manage-all-nodes=true --config="$here/stages.yaml" --node-ip=127.0.0.1 \
  --node-port=0 --cidr=10.244.0.1/16 --server-address="127.0.0.1:$kwok_port" --node-lease-duration-seconds=40
until_true 60 kwok kubectl wait --for=condition=Ready node --all --timeout=1s
until_true 60 kube-controller-manager kubectl --namespace=default get serviceaccount default

echo "KUBECONFIG=$dir/kubeconfig"
