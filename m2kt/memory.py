"""How libraries say that memory ran out. No torch: parents of processes that use it ask, too."""

NO_MEMORY = ("CUDA error: out of memory", "STATUS_ALLOC_FAILED", "DefaultCPUAllocator: can't allocate memory")
"""How a `RuntimeError` of torch says it where the allocation was not torch's own (contexts, cuBLAS, cuDNN), and on the
processor."""


def ran_out(error: BaseException) -> bool:
    """Whether ``error`` is for want of memory. ``torch.OutOfMemoryError`` is known by its name."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(each in str(error) for each in NO_MEMORY)
