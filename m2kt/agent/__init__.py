"""What every agent shares: children and their end, sessions and heartbeats, leases, leaving, preflight."""
