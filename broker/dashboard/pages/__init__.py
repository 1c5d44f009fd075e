"""One module per place of the dashboard: each parses, calls a service, and fills a template."""
