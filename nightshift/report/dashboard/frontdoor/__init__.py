"""The front door: OpenAI's wire for editors and chat programs, behind which each answer is a run."""
