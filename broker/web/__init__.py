"""HTTP, for the API and the pages alike: dependencies, pages, problems, limits."""
