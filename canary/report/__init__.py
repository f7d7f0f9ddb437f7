"""What people see of a release: the live view, its lines when there is no terminal, and the account at the end.

What belongs here: functions from values (`canary.ports.Progress`) to text and renderables, and the thin reporters
that show them. What does not: deciding anything, reading the cluster, or Kubernetes Events.
"""
