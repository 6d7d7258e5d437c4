# From nothing to a running job. CI runs it in an empty folder; `make screens` records it as docs/images/minute.svg.
jobkit new-app my-etl
cd my-etl
jobkit new-controller validate-raster --stage validate
jobkit new-controller tile_city --stage "prepare" --stage "cut tiles:fan-out" --stage "mosaic:fan-in" --param source:str --param "tile_px:int=512"
jobkit run tile_city --source a.tif
