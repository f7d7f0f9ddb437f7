"""A deterministic simulation of whole releases: one seed, one scenario, one history, always the same."""
