"""Verification: what is this file, who vouches for it, and does the consent behind it still stand?"""
