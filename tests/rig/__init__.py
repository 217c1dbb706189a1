"""What several tests need: a real collector process, span requests, a sender."""
