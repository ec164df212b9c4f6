export default async (request) => Response.json({ found: [], for: new URL(request.url).searchParams.get('q') });
