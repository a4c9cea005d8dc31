"""Repliers that wrap other repliers: fallback, metering, and what a model lacks."""
