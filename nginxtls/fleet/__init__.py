"""Many hosts: their dumps, archives and checkouts become tables with a history, on Dask (extra ``nginxtls[fleet]``).

``scan`` reads a source, ``report`` makes the overview, ``query`` runs SQL over the tables.
"""
