"""Webhooks: telling another system of low balances, depletion, expiry and overrun."""
