"""What must outlive a process: predictions, feedback and the ledger, in SQLite or PostgreSQL."""
