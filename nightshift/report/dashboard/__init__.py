"""Local web pages over all runs and nights, and the front door for editors and chat programs: one server.

python3 -m nightshift.report.dashboard
"""
