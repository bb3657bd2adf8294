"""Renewals: what is due is renewed by whoever finds it, once, beside the traffic."""
