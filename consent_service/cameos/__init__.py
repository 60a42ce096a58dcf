"""From a recording to an enrolled likeness: challenge, evidence, decision, sealed templates."""
