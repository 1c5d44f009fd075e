"""The broker: stores, signs, scans and versions packets, and remembers what each one did."""
