"""What the broker decides. Services get a session and values, flush, and know neither HTTP nor when to commit."""
