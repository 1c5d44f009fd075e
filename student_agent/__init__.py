"""The student's side: alignment of a packet, behaviour verification, activation and roll-back."""
