"""The demonstration: four service providers, and the supervisor behind ``make run``."""
