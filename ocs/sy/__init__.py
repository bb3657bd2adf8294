"""Sy, spending limit reporting (3GPP TS 29.219): policy servers hear how a subscriber's policy counters stand.

``spending_limits`` answers SLR and STR; the subscription they make is a watch on the account (``balances.watches``).
``changes`` marks the watches of accounts that have changed, ``reporter`` tells their owners with SNR.
"""
