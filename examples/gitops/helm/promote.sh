#!/usr/bin/env bash
# In CI, after the image push. IMAGE is the new version by digest; the chart takes it as the value `image`. Without
# --wait-for-jobs and without an automatic rollback: the engine waits until stable is ready, and puts traffic back.
set -euo pipefail

# Until the canary has all the traffic and has baked; a bad version ends here, with its exit code.
canary submit release.yaml --image "$IMAGE" --until gate

helm upgrade user-service ./chart --namespace shop --reuse-values --set "image=$IMAGE" --wait --timeout 10m

# The engine sees stable run it, gives it its traffic back and cleans up; this attaches, and ends with the verdict.
canary submit release.yaml --image "$IMAGE"
