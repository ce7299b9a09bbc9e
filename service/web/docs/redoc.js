Redoc.init(
  "openapi.json",
  // the search runs in a worker made from text, which the page's policy forbids
  { disableSearch: true },
  document.getElementById("redoc"),
);
