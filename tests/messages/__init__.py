"""Messages to people: rules, service, pages, and the gateway over a real socket."""
