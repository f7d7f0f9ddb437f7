"""The judge measured on simulated traffic: what it promises, and what other engines' rules do on the same requests.

`streams` draws requests, `ours` judges them as the product does, `peers` as others do, `yardstick` is the shortest time
that any judge could take. `scenarios`, `table` and `plots` compare; the modules of `bars` hold the judge to its
promises. Everything comes from fixed seeds. What does not belong here: releases, gateways, real time.
"""
