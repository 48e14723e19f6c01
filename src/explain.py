"""Sum up what a run would do, before it costs anything: rule, jobs, why, estimated hours."""

from styledistill.commands.explain import main

if __name__ == "__main__":
    main()
