"""``make fuzz``: a fuzzer over what strangers may send, guided by coverage; it stops by itself.

Inputs are made anew in every run from the seeds of :mod:`tests.fuzz.seeds`; no run needs what
another found. A finding is an input on which the product breaks a promise: it is left in
``$VAR/fuzz/``, and ``python -m tests.fuzz TARGET FILE`` shows what happens on it.
"""
