SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  // the validator's badge would send the address of this service to another host
  validatorUrl: null,
});
