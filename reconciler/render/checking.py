"""The init container that checks a model against its digest before the server starts, where the cluster does not.

`oci://` needs none: the kubelet pulls by digest. With `serving.check` a model on a claim (`pvc://`) is read once and
compared, and one at `https://` is fetched into the pod and compared; what differs never serves. Without it both stay
unchecked, as `modelSources` of the environment allows.

The program is passed to `python3` in the named image, so any image that has Python ≥ 3.8 will do, and needs nothing but
its standard library. Rules: a file's digest is the sha256 of its bytes; a folder's is the sha256 over its files' raw
digests in the order of their paths, which is the root digest of OpenSSF Model Signing
(https://github.com/ossf/model-signing-spec); links are refused, for they may lead elsewhere tomorrow.
"""

PYTHON = ("python3", "-I", "-c")
CHECK_RESOURCES = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
PROGRAM = r"""
import hashlib, os, sys, urllib.request

def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.digest()

def files(top):
    for folder, names, found in os.walk(top, onerror=fail):
        for name in names + found:
            if os.path.islink(os.path.join(folder, name)):
                fail(f"{os.path.join(folder, name)} is a symbolic link")
        yield from (os.path.join(folder, name) for name in found)

def root(top):
    if os.path.isfile(top):
        return sha256(top).hex()
    ordered = sorted(files(top), key=lambda path: os.path.relpath(path, top).replace(os.sep, "/"))
    if not ordered:
        fail(f"there is no model in {top}")
    return hashlib.sha256(b"".join(map(sha256, ordered))).hexdigest()

def fail(reason):
    sys.exit(f"the model is not served: {reason}")

def fetch(uri, path):
    try:
        with urllib.request.urlopen(uri, timeout=60) as source, open(path, "wb") as file:
            if not source.url.startswith("https://"):
                fail("it was redirected away from https")
            while chunk := source.read(1 << 20):
                file.write(chunk)
    except OSError as error:
        fail(f"it could not be fetched: {error}")

path, wanted, uri = sys.argv[1:]
if uri:
    fetch(uri, path)
found = "sha256:" + root(path)
if found != wanted:
    fail(f"its digest is {found}, and {wanted} was signed")
print(f"{path} is {found}")
"""
