"""Pure surgery on route objects: an object in, a JSON Patch out.

What belongs here: finding rules and references by identity, shares as integer weights, the patches of a release and
the way back from it, and what somebody else's change means. Objects come from outside and are not trusted: whatever
their shape, the answer is a value or a `SurgeryError` with a sentence.
"""
