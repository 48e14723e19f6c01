"""Tables, figures and the report page of a run. No torch here: a report needs only its own, small environment."""
