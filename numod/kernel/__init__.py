"""From Python source to machine code, and its launch. See docs/adr for the decisions."""
