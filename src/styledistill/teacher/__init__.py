"""The teacher: StyleID, exactly as published, many pairs at a time."""
