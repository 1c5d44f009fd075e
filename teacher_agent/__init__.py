"""The teacher's side: from a trained model to a signed knowledge packet."""
