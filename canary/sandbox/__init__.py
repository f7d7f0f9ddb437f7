"""A real loop without a cluster: real requests through a real Gateway API implementation to real processes.

What belongs here: the API emulator (`apiserver`), the kubelet that runs Deployments as processes, Traefik, the app with
faults on demand, the load generator, and the scenarios of `canary demo`. What does not: anything that a release in a
cluster needs; the engine never imports this package.
"""
