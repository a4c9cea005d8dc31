"""Leaves of the reply chain: the hosts that answer."""
