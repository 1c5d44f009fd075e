"""Bidirectional exchange (arXiv 2510.22208) without torch: what peers, broker and holders of labels compute alike.

`plan` says which samples a round takes, `task` what the peers share, `masks` who teaches which sample, `draws` the
random numbers that every host draws equally. The models are in `m2kt.neural.exchange`; docs/exchange.md has the method.
"""

from m2kt.exchange.masks import confidences, mask_shares, masks, probabilities, targets
from m2kt.exchange.plan import RoundPlan
from m2kt.exchange.task import Task

__all__ = ["RoundPlan", "Task", "confidences", "mask_shares", "masks", "probabilities", "targets"]
