"""What goes over the wire: pydantic at the boundary, made from the models and never the models themselves."""
