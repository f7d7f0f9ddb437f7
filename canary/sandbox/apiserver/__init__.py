"""An emulator of the Kubernetes API server, for the sandbox and for tests: enough for the engine, Traefik and kubectl.

It is not an API server: no admission webhooks, no CEL rules, no etcd, one process, plain HTTP on loopback. What it
does, where Kubernetes documents that, and the test of each behaviour stand in this package's README.

Here belong the rules by which objects are kept and served. What does not belong here: controllers (what a Deployment
makes of its pods is decided elsewhere, by clients of this server) and anything that the engine imports.
"""
