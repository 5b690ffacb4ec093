"""The parts of report.html; `nightshift.report.html.report_of` puts them together. Each is text from records alone."""
