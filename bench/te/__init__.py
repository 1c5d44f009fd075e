"""Sequential transfer on the five example domains, with its controls and its baseline (`bench.transfer`)."""
