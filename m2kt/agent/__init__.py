"""What every agent shares: the protocol between a supervisor and its child process."""
