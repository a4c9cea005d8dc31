"""What outlives a session: the ledger of paid calls."""
