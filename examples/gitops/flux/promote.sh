#!/usr/bin/env bash
# In CI, after the image push. IMAGE is the new version by digest; the working directory is a clone of the deploy repository.
set -euo pipefail

# Until the canary has all the traffic and has baked; a bad version ends here, with its exit code.
canary submit release.yaml --image "$IMAGE" --until gate

(cd user-service && kustomize edit set image "ghcr.io/acme/user-service=$IMAGE")
git commit --all --message "user-service: $IMAGE"
git push
flux reconcile kustomization user-service --with-source

# The engine sees stable run it, gives it its traffic back and cleans up; this attaches, and ends with the verdict.
canary submit release.yaml --image "$IMAGE"
