"""Vouchers: redeemed once, by whoever types the code, and not to be guessed."""
