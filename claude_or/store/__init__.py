"""What outlives a session: the ledger."""
