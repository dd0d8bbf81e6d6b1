"""``make bench``: what a sign-on costs, in units that other machines can compare.

It measures and judges nothing but its own figures: no test of the suite depends on a time.
"""
