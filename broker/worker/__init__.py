"""The worker: ``python -m broker.worker``. Celery rings, the ledger decides, children do what is heavy.

This process never imports torch: extraction and alignment are programs of their own (`m2kt.agent.child`), so that a
cancelled job frees its GPU and one that runs out of memory takes nobody along.
"""
