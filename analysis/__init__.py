"""Is the canary worse than stable? Sources, gateway metric packs, the judge, planning, calibration.

What belongs here: reading counters, and deciding from counts. Input and output happen only in
`analysis.sources`; everything else is functions of values. What does not belong here: routes, shares,
releases, Kubernetes. This package knows neither `strategies` nor `canary`.
"""
